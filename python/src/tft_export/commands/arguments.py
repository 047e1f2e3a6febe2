"""Types of command line arguments."""

import argparse

from ..checkpoint.calendar import Step


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def step(text: str) -> Step:
    """A length of time such as 15min or 1month."""
    try:
        return Step.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def step_of_minutes(text: str) -> Step:
    return Step(positive(text))
