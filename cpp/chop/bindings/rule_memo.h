// What a quantization config's rules were decided to mean, found again by their contents: a search puts the same few
// tables together in ever new ways, and asks once a trial. Python decides; this only remembers.
#pragma once

#include <pybind11/pybind11.h>

#include <unordered_map>
#include <vector>

#include "chop/cost/costs.h"

namespace chop::bindings {

class RuleMemo {
 public:
  using Widths = std::vector<cost::NodeWidths>;

  // The widths of all rules in their order; false if one of them is new, or of a form that only Python can judge.
  bool find(pybind11::handle config, cost::Config& found) const;

  // widths[i] belongs to the i-th rule ('by' is none). Forms that `find` does not take are not kept.
  void remember(pybind11::handle config, const std::vector<Widths>& widths);

 private:
  // Borrowed while looking, owned in a table.
  struct Key {
    std::vector<PyObject*> parts;
    size_t hash = 0;

    bool add(PyObject* part);
    void clear();
    bool operator==(const Key& other) const;
  };

  template <class Value>
  class Table {
   public:
    const Value* find(const Key& key) const;
    Value& at(const Key& key);  // made if it is new
    size_t size() const { return entries_.size(); }
    void clear() { entries_.clear(); }

   private:
    struct Entry {
      Key key;
      std::vector<pybind11::object> owners;
      Value value;
    };
    std::unordered_multimap<size_t, Entry> entries_;
  };

  static bool shape_key(PyObject* config, Key& key);
  static bool rule_key(PyObject* name, PyObject* entry, Key& key);

  Table<Table<Widths>> shapes_;
  size_t rules_ = 0;
};

}  // namespace chop::bindings
