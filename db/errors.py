"""Every way in which reading the platform's database can fail, one class per cause.

    DatabaseError
    ├── UnknownLearner         no such row in users (exit 66)
    ├── UnknownObjective       no such row in learning_objectives (exit 66)
    ├── DatabaseUnavailable    cannot be reached, refused us, or broke off (exit 69)
    ├── WriteRefused           the database would not store what a script wrote
    ├── DatabaseConfiguration  the URL, driver or schema cannot work as configured (exit 78)
    │   ├── UnsupportedURL     a scheme this package does not support
    │   ├── RequiredTableAbsent a table or column that every prediction needs is missing
    │   └── SchemaUnreadable   the app's schema.prisma cannot be followed

No message ever holds a password: messages name a host and database, never the URL as given.
"""


class DatabaseError(Exception):
    """Base of every expected failure; its text is written for people."""


class UnknownLearner(DatabaseError):
    """Raised when the learner has no row in users."""


class UnknownObjective(DatabaseError):
    """Raised when the objective has no row in learning_objectives."""


class DatabaseUnavailable(DatabaseError):
    """Raised when the database cannot be reached, refuses the connection, or stops answering.

    Its text names host, database or file, and is for the operator. `code` says the same in a form that anybody may see,
    including learners: "database_unreachable", "database_late", "database_broke_off", "database_locked" or
    "database_unreadable".
    """

    def __init__(self, text: str, code: str = "database_unreachable") -> None:
        super().__init__(text)
        self.code = code


class WriteRefused(DatabaseError):
    """Raised when a table cannot be made or a row cannot be stored.

    Reasons are a constraint, a full or read-only disk, or a missing privilege.
    """


class RowRefused(WriteRefused):
    """Raised when the database refuses the row itself (a foreign key, a check, a length); other rows may be stored."""


class DatabaseConfiguration(DatabaseError):
    """Raised when the configured database cannot be used because its URL, driver or schema is wrong."""


class UnsupportedURL(DatabaseConfiguration):
    """Raised when DATABASE_URL has a form or scheme that this package does not support."""


class RequiredTableAbsent(DatabaseConfiguration):
    """Raised when a required table, or a column of one, does not exist."""


class SchemaUnreadable(DatabaseConfiguration):
    """Raised when the schema.prisma named with --schema cannot be read or followed."""
