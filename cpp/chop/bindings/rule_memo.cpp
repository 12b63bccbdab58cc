#include "chop/bindings/rule_memo.h"

namespace chop::bindings {
namespace {

// Values whose comparison runs no code of the caller's.
bool is_plain(PyObject* value) {
  return value == Py_None || PyUnicode_CheckExact(value) || PyLong_CheckExact(value) || PyBool_Check(value) ||
         PyFloat_CheckExact(value);
}

}  // namespace

bool is_by(PyObject* key) { return PyUnicode_CompareWithASCIIString(key, "by") == 0; }

bool RuleKey::add(PyObject* part) {
  if (!is_plain(part)) return false;
  parts.push_back(part);
  hash = (hash ^ static_cast<size_t>(PyObject_Hash(part))) * 1099511628211u;
  return true;
}

void RuleKey::clear() {
  parts.clear();
  hash = 0;
}

// The types count too, because 8 == 8.0 == True.
bool RuleKey::operator==(const RuleKey& other) const {
  if (parts.size() != other.parts.size()) return false;
  for (size_t i = 0; i < parts.size(); ++i) {
    PyObject *a = parts[i], *b = other.parts[i];
    if (a != b && (Py_TYPE(a) != Py_TYPE(b) || PyObject_RichCompareBool(a, b, Py_EQ) != 1)) return false;
  }
  return true;
}

bool shape_key(PyObject* config, RuleKey& key) {
  if (!PyDict_CheckExact(config)) return false;
  PyObject *name = nullptr, *entry = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(config, &at, &name, &entry);) {
    if (!PyUnicode_CheckExact(name) || !key.add(name) || (is_by(name) && !key.add(entry))) return false;
  }
  return true;
}

PyObject* rule_table(PyObject* entry) {
  if (!PyDict_CheckExact(entry) || PyDict_Size(entry) != 1) return nullptr;
  PyObject *word = nullptr, *table = nullptr;
  Py_ssize_t first = 0;
  PyDict_Next(entry, &first, &word, &table);
  if (!PyUnicode_CheckExact(word) || PyUnicode_CompareWithASCIIString(word, "config") != 0) return nullptr;
  return PyDict_CheckExact(table) ? table : nullptr;
}

bool rule_key(PyObject* name, PyObject* entry, RuleKey& key) {
  PyObject* table = rule_table(entry);
  if (!table) return false;
  key.clear();
  if (!key.add(name)) return false;
  PyObject *field = nullptr, *value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(table, &at, &field, &value);)
    if (!key.add(field) || !key.add(value)) return false;
  return true;
}

}  // namespace chop::bindings
