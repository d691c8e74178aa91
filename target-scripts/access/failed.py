"""How a program of root fails: with one sentence, and with as much done as could be."""

from .places import ETC


class Failed(Exception):
    """A sentence for the person: what is not as it should be."""


def attempt(failures, work):
    """One step that fails must not keep the others from being done."""
    try:
        work()
        return
    except Failed as failure:
        said = f'{failure}.'
    except OSError as error:
        said = f'{error.strerror}: {error.filename or ETC}.'
    except Exception as error:  # noqa: BLE001 - whatever it is, the other steps are still to come
        said = f'{type(error).__name__}: {error}.'
    if said not in failures:
        failures.append(said)
