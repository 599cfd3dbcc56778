cdef class RecordBuffer:
    cdef readonly object view
    cdef readonly Py_ssize_t size
    cdef Py_ssize_t _most
    cdef bytearray _fixed
    cdef bytearray _nulls
    cdef list _variable
    cdef dict _tagged
    cdef bytes _image

    cdef int _take_apart(self, bytes image)
    cpdef bytes image(self)
    cdef bytes _assemble(self)
    cdef int _require_room(self, Py_ssize_t more, object column)
    cpdef int put_fixed(self, object column, Py_ssize_t fid, Py_ssize_t start, Py_ssize_t size, bytes value)
    cdef int _reach_fixed(self, Py_ssize_t fid)
    cpdef int put_variable(self, object column, Py_ssize_t fid, bytes value)
    cdef int _reach_variable(self, Py_ssize_t fid)
    cdef int _put(self, object key, object entry, object column)
    cpdef bint set_entry(self, object column, object key, object entry)
