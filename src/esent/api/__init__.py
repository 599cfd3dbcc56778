"""The Pythonic layer: context managers, paths and exceptions over the documented API. `import esent` shows its names."""
