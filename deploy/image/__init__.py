"""From the project to an image that can be run: its recipe, its labels, its bill of materials."""
