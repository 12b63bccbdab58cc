// Values inside of dicts and objects, where no signature says what they must be.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <utility>

namespace chop::bindings {

// TypeError "<what> must be <type>" for an object of another type.
template <class T>
T typed(pybind11::handle object, const std::string& what, const char* type) {
  pybind11::detail::make_caster<T> caster;
  if (!object || object.is_none() || !caster.load(object, true))
    throw pybind11::type_error(what + " must be " + type + ", got " +
                               (object ? Py_TYPE(object.ptr())->tp_name : "nothing"));
  return pybind11::detail::cast_op<T>(std::move(caster));
}

// A getter that refuses None for its object: of a pointer to a member pybind11 makes one that takes null.
template <class T, class Result>
auto getter(Result (T::*member)() const) {
  return [member](const T& self) { return (self.*member)(); };
}

}  // namespace chop::bindings
