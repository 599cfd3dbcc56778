# What other compiled modules reach without the interpreter in between.

from esent.pages.words cimport close_tag, fetch, get16, get32, open_tag, order, put16, put64, store


cdef class MutablePage:
    cdef readonly bytearray data
    cdef readonly Py_ssize_t page_size
    cdef readonly Py_ssize_t pgno
    cdef bint _large
    cdef Py_ssize_t _header
    cdef int _compact_mask
    cdef Py_ssize_t _tag
    cdef Py_ssize_t _begin
    cdef Py_ssize_t _end
    cdef int _flags
    cdef Py_ssize_t _shared
    cdef Py_ssize_t _suffix
    cdef Py_ssize_t _cut
    cdef bint _equal

    cdef int _set_up(self, Py_ssize_t page_size, Py_ssize_t pgno, long long objid, long long flags, long long dbtime)
    cdef long long changed_at(self)
    cpdef int changed(self, long long dbtime)
    cdef int lines(self)
    cdef int _find(self, Py_ssize_t line)
    cpdef int node_flags(self, Py_ssize_t line)
    cpdef int change_node_flags(self, Py_ssize_t line, int clear, int flags)
    cpdef bytes key(self, Py_ssize_t line)
    cpdef bytes value(self, Py_ssize_t line)
    cpdef Py_ssize_t value_size(self, Py_ssize_t line)
    cpdef long long child(self, Py_ssize_t line)
    cdef Py_ssize_t _contiguous(self)
    cpdef int reorganise(self)
    cdef int _set_tag(self, Py_ssize_t tag, Py_ssize_t cb, Py_ssize_t ib, int flags)
    cdef int _replace_tag(self, Py_ssize_t tag, bytes body, int flags)
    cpdef int insert(self, Py_ssize_t line, Py_ssize_t prefix, bytes suffix, bytes data, int flags=*)
    cdef bint _is_root(self)
    cdef bint _begins_with(self, bytes source, Py_ssize_t start, Py_ssize_t count)
    cdef int _insert(
        self, Py_ssize_t line, Py_ssize_t prefix, Py_ssize_t suffix, bytes source, Py_ssize_t start, Py_ssize_t count, int flags
    )
    cpdef int replace(self, Py_ssize_t line, bytes data)
    cpdef int delete(self, Py_ssize_t line)
    cpdef bytes external_header(self)
    cpdef bytes prefix(self)
    cpdef Py_ssize_t place(self, bytes key, bytes data=*)
    cdef Py_ssize_t _bisect(self, bytes key, bytes data, Py_ssize_t high, bint above)
    cpdef bint encloses(self, bytes bookmark, bint whole)
    cdef int _order_of(self, Py_ssize_t line, bytes bookmark, bint whole)
    cpdef Py_ssize_t room_before(self, Py_ssize_t line, bytes key, Py_ssize_t count, int density, Py_ssize_t reserve)
    cdef Py_ssize_t _seek_child(self, bytes bookmark)
    cpdef long long step_down(self, bytes bookmark, long long objid)
