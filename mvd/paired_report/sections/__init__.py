"""The parts of the page, each of which is made by one function."""
