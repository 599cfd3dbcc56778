# What other compiled modules call without the interpreter in between.

cdef int get16(bytearray data, Py_ssize_t offset)
cdef int put16(bytearray data, Py_ssize_t offset, int value)
cdef long long get32(bytearray data, Py_ssize_t offset)
cdef int put64(bytearray data, Py_ssize_t offset, long long value)
cdef int store(bytearray image, Py_ssize_t at, bytes body, Py_ssize_t start, Py_ssize_t count)
cdef bytes fetch(bytearray image, Py_ssize_t start, Py_ssize_t end)
cdef int open_tag(bytearray image, Py_ssize_t tags, Py_ssize_t tag)
cdef int close_tag(bytearray image, Py_ssize_t tags, Py_ssize_t tag)
cdef int order(bytearray image, Py_ssize_t head, Py_ssize_t prefix, Py_ssize_t start, Py_ssize_t stop, bytes key)
