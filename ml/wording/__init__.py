"""The words of answers: languages, and the catalogues of messages in languages other than the English of the code."""
