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

void RuleMemo::Key::clear() {
  parts.clear();
  hash = 0;
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

template <class Value>
const Value* RuleMemo::Table<Value>::find(const Key& key) const {
  const auto [begin, end] = entries_.equal_range(key.hash);
  for (auto it = begin; it != end; ++it)
    if (it->second.key == key) return &it->second.value;
  return nullptr;
}

template <class Value>
Value& RuleMemo::Table<Value>::at(const Key& key) {
  if (const Value* known = find(key)) return const_cast<Value&>(*known);
  Entry entry{key, {}, {}};
  for (PyObject* part : key.parts) entry.owners.push_back(pybind11::reinterpret_borrow<pybind11::object>(part));
  return entries_.emplace(key.hash, std::move(entry))->second.value;
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

bool RuleMemo::rule_key(PyObject* name, PyObject* entry, Key& key) {
  if (!PyDict_CheckExact(entry) || PyDict_Size(entry) != 1) return false;
  PyObject *word = nullptr, *table = nullptr;
  Py_ssize_t first = 0;
  PyDict_Next(entry, &first, &word, &table);
  if (!PyUnicode_CheckExact(word) || PyUnicode_CompareWithASCIIString(word, "config") != 0) return false;
  if (!PyDict_CheckExact(table)) return false;
  key.clear();
  if (!key.add(name)) return false;
  PyObject *field = nullptr, *value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(table, &at, &field, &value);)
    if (!key.add(field) || !key.add(value)) return false;
  return true;
}

bool RuleMemo::find(pybind11::handle config, cost::Config& found) const {
  Key key;
  key.parts.reserve(32);
  if (!shape_key(config.ptr(), key)) return false;
  const Table<Widths>* rules = shapes_.find(key);
  if (!rules) return false;
  PyObject *name = nullptr, *entry = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(config.ptr(), &at, &name, &entry);) {
    if (is_by(name)) continue;
    const Widths* known = rule_key(name, entry, key) ? rules->find(key) : nullptr;
    if (!known) return false;
    for (const cost::NodeWidths& widths : *known) found.push_back(&widths);
  }
  return true;
}

void RuleMemo::remember(pybind11::handle config, const std::vector<Widths>& widths) {
  if (rules_ > kMostRules) shapes_.clear(), rules_ = 0;
  Key key;
  if (!shape_key(config.ptr(), key)) return;
  Table<Widths>& rules = shapes_.at(key);
  PyObject *name = nullptr, *entry = nullptr;
  size_t rule = 0;
  for (Py_ssize_t at = 0; PyDict_Next(config.ptr(), &at, &name, &entry);) {
    if (is_by(name)) continue;
    if (rule < widths.size() && rule_key(name, entry, key)) rules.at(key) = widths[rule], ++rules_;
    ++rule;
  }
}

}  // namespace chop::bindings
