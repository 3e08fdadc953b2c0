"""The platform's tables: the models and their fields, the DDL, and the app's own names for them."""
