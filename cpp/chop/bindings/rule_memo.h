// What a quantization config's rules were decided to mean, found again by their contents: a search puts the same few
// tables together in ever new ways, and asks once a trial. Python decides; this only remembers.
#pragma once

#include <pybind11/pybind11.h>

#include <unordered_map>
#include <vector>

namespace chop::bindings {

// The contents of a config, or of one of its rules. Borrowed while looking, owned in a table.
struct RuleKey {
  std::vector<PyObject*> parts;
  size_t hash = 0;

  bool add(PyObject* part);  // false for a value that only Python can judge
  void clear();
  bool operator==(const RuleKey& other) const;
};

// 'by' and the names of all rules: they decide which rule a node gets.
bool shape_key(PyObject* config, RuleKey& key);
// The name and the table of one rule.
bool rule_key(PyObject* name, PyObject* entry, RuleKey& key);
bool is_by(PyObject* key);
// The table of a rule {"config": table}, borrowed; null for another form.
PyObject* rule_table(PyObject* entry);

// visit(name, entry) for each rule in its order, until it returns false; false if it did.
template <class Visit>
bool each_rule(PyObject* config, const Visit& visit) {
  PyObject *name = nullptr, *entry = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(config, &at, &name, &entry);)
    if (!is_by(name) && !visit(name, entry)) return false;
  return true;
}

template <class Value>
class RuleTable {
 public:
  const Value* find(const RuleKey& key) const {
    const auto [begin, end] = entries_.equal_range(key.hash);
    for (auto it = begin; it != end; ++it)
      if (it->second.key == key) return &it->second.value;
    return nullptr;
  }

  Value& at(const RuleKey& key) {  // made if it is new
    if (const Value* known = find(key)) return const_cast<Value&>(*known);
    Entry entry{key, {}, {}};
    for (PyObject* part : key.parts) entry.owners.push_back(pybind11::reinterpret_borrow<pybind11::object>(part));
    return entries_.emplace(key.hash, std::move(entry))->second.value;
  }

  void clear() { entries_.clear(); }

 private:
  struct Entry {
    RuleKey key;
    std::vector<pybind11::object> owners;
    Value value;
  };
  std::unordered_multimap<size_t, Entry> entries_;
};

// Part: what is decided for one node.
template <class Part>
class RuleMemo {
 public:
  // The parts of all rules in their order; false if one of them is new, or of a form that only Python can judge.
  bool find(pybind11::handle config, std::vector<const Part*>& found) const {
    RuleKey key;
    key.parts.reserve(32);
    if (!shape_key(config.ptr(), key)) return false;
    const Rules* rules = shapes_.find(key);
    if (!rules) return false;
    return each_rule(config.ptr(), [&](PyObject* name, PyObject* entry) {
      const std::vector<Part>* known = rule_key(name, entry, key) ? rules->find(key) : nullptr;
      if (!known) return false;
      for (const Part& part : *known) found.push_back(&part);
      return true;
    });
  }

  // parts[i] belongs to the i-th rule ('by' is none). Forms that `find` does not take are not kept.
  void remember(pybind11::handle config, const std::vector<std::vector<Part>>& parts) {
    if (rules_ > kMostRules) shapes_.clear(), rules_ = 0;
    RuleKey key;
    if (!shape_key(config.ptr(), key)) return;
    Rules& rules = shapes_.at(key);
    size_t rule = 0;
    each_rule(config.ptr(), [&](PyObject* name, PyObject* entry) {
      if (rule < parts.size() && rule_key(name, entry, key)) rules.at(key) = parts[rule], ++rules_;
      return ++rule < parts.size();
    });
  }

 private:
  using Rules = RuleTable<std::vector<Part>>;
  static constexpr size_t kMostRules = 20000;

  RuleTable<Rules> shapes_;
  size_t rules_ = 0;
};

}  // namespace chop::bindings
