// Objects of ours in lists: a plain pointer may be null for None, and may outlive what a generator handed over.
#pragma once

#include <pybind11/pybind11.h>

#include <utility>

namespace chop::bindings {

// Held: a pointer, or a shared one. Never null; the object lives as long as this. Ended with Python's lock.
template <class Held>
struct Given {
  pybind11::object owner;
  Held held{};

  const auto& operator*() const { return *held; }
  const auto* operator->() const { return &*held; }
};

}  // namespace chop::bindings

namespace pybind11::detail {

template <class Held>
struct type_caster<chop::bindings::Given<Held>> {
  PYBIND11_TYPE_CASTER(chop::bindings::Given<Held>, make_caster<Held>::name);

  bool load(handle source, bool convert) {
    make_caster<Held> inner;
    if (source.is_none() || !inner.load(source, convert)) return false;
    value = {reinterpret_borrow<object>(source), cast_op<Held>(inner)};
    return true;
  }
  static handle cast(const chop::bindings::Given<Held>& given, return_value_policy, handle) {
    return object(given.owner).release();
  }
};

}  // namespace pybind11::detail
