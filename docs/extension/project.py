"""Where the project is that the handbook is about."""

from pathlib import Path

PROJECT = Path(__file__).parents[2]
