"""The numbers of the documented API: errors and warnings, option flags, system parameters.

One home for each fact: the tables beside this file. The modules below read them once; their type stubs are made by
`scripts/generate_stubs.py`.
"""
