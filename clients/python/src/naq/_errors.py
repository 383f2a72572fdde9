"""The errors of this package."""


class NaqException(Exception):
    """Any error of this package."""


class ConfigurationError(NaqException):
    """An option has a value that NAQ does not allow."""


class SerializationError(NaqException):
    """An argument or a result has no form in JSON."""


class JobExecutionError(NaqException):
    """The job has ended without success. ``state`` says how, ``kind`` is the kind of its last error."""

    def __init__(self, message: str, state: str, kind: "str | None" = None) -> None:
        super().__init__(message)
        self.state = state
        self.kind = kind


class JobNotFoundError(NaqException):
    """There is no such job, or its record has expired."""


class NaqConnectionError(NaqException):
    """The broker cannot be reached, or does not answer."""


class GatewayError(NaqException):
    """The gateway refused a request. ``status`` is that of HTTP, ``kind`` the name of the problem, such as ``forbidden``."""

    def __init__(self, message: str, status: int, kind: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
