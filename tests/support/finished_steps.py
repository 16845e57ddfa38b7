"""Work in steps, finished at once."""

from typing import TypeVar

from service.system.steps import Steps

ResultT = TypeVar("ResultT")


def finish(steps: Steps[ResultT]) -> ResultT:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: ResultT = end.value
            return result
