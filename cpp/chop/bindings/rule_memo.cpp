#include "chop/bindings/rule_memo.h"

namespace chop::bindings {
namespace {

constexpr size_t kMostRules = 20000;

// Values whose comparison runs no code of the caller's.
bool is_plain(PyObject* value) {
  return value == Py_None || PyUnicode_CheckExact(value) || PyLong_CheckExact(value) || PyBool_Check(value) ||
         PyFloat_CheckExact(value);
}

bool is_by(PyObject* key) { return PyUnicode_CompareWithASCIIString(key, "by") == 0; }

}  // namespace

bool RuleMemo::Key::add(PyObject* part) {
  if (!is_plain(part)) return false;
  parts.push_back(part);
  hash = (hash ^ static_cast<size_t>(PyObject_Hash(part))) * 1099511628211u;
  return true;
}

// The types count too, because 8 == 8.0 == True.
bool RuleMemo::Key::operator==(const Key& other) const {
  if (parts.size() != other.parts.size()) return false;
  for (size_t i = 0; i < parts.size(); ++i) {
    PyObject *a = parts[i], *b = other.parts[i];
    if (a != b && (Py_TYPE(a) != Py_TYPE(b) || PyObject_RichCompareBool(a, b, Py_EQ) != 1)) return false;
  }
  return true;
}

RuleMemo::Owned::Owned(Key borrowed, Widths w) : key(std::move(borrowed)), widths(std::move(w)) {
  for (PyObject* part : key.parts) owners.push_back(pybind11::reinterpret_borrow<pybind11::object>(part));
}

// 'by' and the names of all rules: they decide which rule a node gets.
bool RuleMemo::shape_key(PyObject* config, Key& key) {
  if (!PyDict_CheckExact(config)) return false;
  PyObject *name = nullptr, *entry = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(config, &at, &name, &entry);) {
    if (!PyUnicode_CheckExact(name) || !key.add(name) || (is_by(name) && !key.add(entry))) return false;
  }
  return true;
}

bool RuleMemo::rule_key(const Key& shape, PyObject* name, PyObject* entry, Key& key) {
  if (!PyDict_CheckExact(entry) || PyDict_Size(entry) != 1) return false;
  PyObject *word = nullptr, *table = nullptr;
  Py_ssize_t first = 0;
  PyDict_Next(entry, &first, &word, &table);
  if (!PyUnicode_CheckExact(word) || PyUnicode_CompareWithASCIIString(word, "config") != 0) return false;
  if (!PyDict_CheckExact(table)) return false;
  key.parts.assign(shape.parts.begin(), shape.parts.end());
  key.hash = shape.hash;
  if (!key.add(name)) return false;
  PyObject *field = nullptr, *value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(table, &at, &field, &value);)
    if (!key.add(field) || !key.add(value)) return false;
  return true;
}

const RuleMemo::Owned* RuleMemo::look(const Key& key) const {
  const auto [begin, end] = rules_.equal_range(key.hash);
  for (auto it = begin; it != end; ++it)
    if (it->second.key == key) return &it->second;
  return nullptr;
}

bool RuleMemo::find(pybind11::handle config, cost::Config& found) const {
  Key shape, key;
  if (!shape_key(config.ptr(), shape)) return false;
  PyObject *name = nullptr, *entry = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(config.ptr(), &at, &name, &entry);) {
    if (is_by(name)) continue;
    const Owned* known = rule_key(shape, name, entry, key) ? look(key) : nullptr;
    if (!known) return false;
    for (const cost::NodeWidths& widths : known->widths) found.push_back(&widths);
  }
  return true;
}

void RuleMemo::remember(pybind11::handle config, const std::vector<Widths>& widths) {
  if (rules_.size() > kMostRules) rules_.clear();
  Key shape;
  if (!shape_key(config.ptr(), shape)) return;
  PyObject *name = nullptr, *entry = nullptr;
  size_t rule = 0;
  for (Py_ssize_t at = 0; PyDict_Next(config.ptr(), &at, &name, &entry);) {
    if (is_by(name)) continue;
    Key key;
    if (rule < widths.size() && rule_key(shape, name, entry, key) && !look(key)) {
      const size_t hash = key.hash;
      rules_.emplace(hash, Owned(std::move(key), widths[rule]));
    }
    ++rule;
  }
}

}  // namespace chop::bindings
