# What other compiled modules reach without the interpreter in between.

cdef class Counters:
    cdef public long long log_records
    cdef public long long log_bytes
