"""The library from Python's ctypes: no header, no wrapper, the shared object alone."""

import ctypes
import os
import shutil
import tempfile
import unittest

LIB = os.environ["HOLOG_LIB"]
REPLACE, PARENTS = 1, 2


class FromCtypes(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="holog-ctypes-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.h = ctypes.CDLL(LIB)
        for name in ("holog_error_name", "holog_version", "holog_dtype_name"):
            getattr(self.h, name).restype = ctypes.c_char_p
        self.h.holog_value_data.restype = ctypes.c_void_p
        self.h.holog_value_size.restype = ctypes.c_size_t
        for name in ("holog_close", "holog_value_data", "holog_value_size", "holog_value_release",
                     "holog_array_close"):
            getattr(self.h, name).argtypes = [ctypes.c_void_p]

    def ok(self, rc):
        self.assertEqual(rc, 0, self.h.holog_error_name(rc))

    def open(self):
        store = ctypes.c_void_p()
        self.ok(self.h.holog_open(os.path.join(self.dir, "s.holog").encode(), None,
                                  ctypes.byref(store)))
        return store

    def test_what_is_saved_is_loaded_after_the_store_was_opened_again(self):
        store = self.open()
        data = bytes(range(256)) * 1000
        number = ctypes.c_uint64()
        self.ok(self.h.holog_save(store, b"plates/p1/z0", data, ctypes.c_size_t(len(data)), PARENTS,
                                  ctypes.byref(number)))
        self.assertEqual(number.value, 1)
        self.ok(self.h.holog_close(store))
        store = self.open()
        value = ctypes.c_void_p()
        self.ok(self.h.holog_load(store, b"plates/p1/z0", ctypes.byref(value)))
        self.assertEqual(ctypes.string_at(self.h.holog_value_data(value),
                                          self.h.holog_value_size(value)), data)
        self.h.holog_value_release(value)
        self.ok(self.h.holog_close(store))

    def test_an_array_is_one_struct_away(self):
        class Spec(ctypes.Structure):
            _fields_ = [("struct_size", ctypes.c_uint32), ("dtype", ctypes.c_uint32),
                        ("item_size", ctypes.c_uint32), ("rank", ctypes.c_uint32),
                        ("shape", ctypes.POINTER(ctypes.c_uint64))]

        store = self.open()
        shape = (ctypes.c_uint64 * 2)(2, 3)
        pixels = (ctypes.c_uint16 * 6)(1, 2, 3, 4, 5, 60000)
        spec = Spec(ctypes.sizeof(Spec), 7, 0, 2, shape)  # what the caller does not know is 0
        self.assertEqual(self.h.holog_dtype_name(7), b"uint16")
        self.ok(self.h.holog_array_save(store, b"a", ctypes.byref(spec), pixels, None, 0, None))
        self.ok(self.h.holog_close(store))
        store = self.open()
        array = ctypes.c_void_p()
        got = (ctypes.c_uint16 * 6)()
        self.ok(self.h.holog_array_open(store, b"a", ctypes.byref(array)))
        self.ok(self.h.holog_array_read(array, None, got, None))
        self.assertEqual(list(got), list(pixels))
        self.h.holog_array_close(array)
        self.ok(self.h.holog_close(store))

    def test_a_failure_is_a_negative_number_with_a_name(self):
        store = self.open()
        value = ctypes.c_void_p()
        rc = self.h.holog_load(store, b"none", ctypes.byref(value))
        self.assertEqual((rc, self.h.holog_error_name(rc)), (-2, b"HOLOG_E_NOENT"))
        self.assertIsNone(value.value)
        self.ok(self.h.holog_close(store))


if __name__ == "__main__":
    unittest.main(verbosity=2)
