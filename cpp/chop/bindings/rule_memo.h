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
  // Borrowed while looking, owned in the table.
  struct Key {
    std::vector<PyObject*> parts;
    size_t hash = 0;

    bool add(PyObject* part);
    bool operator==(const Key& other) const;
  };
  struct Owned {
    Key key;
    std::vector<pybind11::object> owners;
    Widths widths;
    Owned(Key borrowed, Widths w);
  };

  static bool shape_key(PyObject* config, Key& key);
  static bool rule_key(const Key& shape, PyObject* name, PyObject* entry, Key& key);
  const Owned* look(const Key& key) const;

  std::unordered_multimap<size_t, Owned> rules_;
};

}  // namespace chop::bindings
