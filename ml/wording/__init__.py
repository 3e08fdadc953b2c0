"""The words of an answer for another reader or in another language; ml/README.md says how to add a language."""
