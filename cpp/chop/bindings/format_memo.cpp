#include "chop/bindings/format_memo.h"

#include <algorithm>
#include <string_view>

namespace chop::bindings {
namespace {

using evaluator::Config;
using evaluator::NodeFormat;

constexpr size_t kMostKept = 100000;
constexpr std::array<std::string_view, 3> kNames{"data_in", "weight", "bias"};
constexpr size_t kWeight = 1, kBias = 2;

// A field such as "weight_frac_width": the operand's place in kNames, kNames.size() for other fields, and the rest of
// the name.
struct Field {
  PyObject *name, *value;
  size_t operand = kNames.size();
  std::string_view rest;

  Field(PyObject* field_name, PyObject* field_value) : name(field_name), value(field_value) {
    Py_ssize_t length = 0;
    const char* text = PyUnicode_AsUTF8AndSize(name, &length);
    if (!text) PyErr_Clear();
    const std::string_view whole(text ? text : "", static_cast<size_t>(length));
    for (size_t i = 0; i < kNames.size(); ++i)
      if (whole.size() > kNames[i].size() && whole.starts_with(kNames[i]) && whole[kNames[i].size()] == '_') {
        operand = i;
        rest = whole.substr(kNames[i].size() + 1);
      }
  }

  bool add_to(RuleKey& key) const { return key.add(name) && key.add(value); }
};

}  // namespace

bool FormatMemo::read(PyObject* name, PyObject* entry, Fields& fields) {
  PyObject* table = rule_table(entry);
  if (!table || !fields.others.add(name)) return false;
  for (RuleKey& key : fields.operands)
    if (!key.add(name)) return false;
  std::vector<Field> found;
  PyObject *field = nullptr, *value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(table, &at, &field, &value);) {
    if (!PyUnicode_CheckExact(field)) return false;
    found.emplace_back(field, value);
  }
  const auto of_bias = [&](std::string_view rest) {
    return std::any_of(found.begin(), found.end(),
                       [&](const Field& f) { return f.operand == kBias && f.rest == rest; });
  };
  for (const Field& f : found) {
    if (!f.add_to(f.operand < kNames.size() ? fields.operands[f.operand] : fields.others)) return false;
    // What the bias does not say itself, the weight says for it.
    if (f.operand == kWeight && !of_bias(f.rest) && !f.add_to(fields.operands[kBias])) return false;
  }
  return true;
}

std::optional<Config> FormatMemo::find(pybind11::handle config) const {
  RuleKey shape;
  const Rules* rules = shape_key(config.ptr(), shape) ? shapes_.find(shape) : nullptr;
  if (!rules) return std::nullopt;
  Config found;
  const bool known = each_rule(config.ptr(), [&](PyObject* name, PyObject* entry) {
    Fields fields;
    const Decided* decided = read(name, entry, fields) ? rules->find(fields.others) : nullptr;
    if (!decided) return false;
    const size_t first = found.size();
    found.insert(found.end(), decided->nodes.begin(), decided->nodes.end());
    for (size_t k = 0; k < kNames.size(); ++k) {
      // Fields that no node uses must have been judged too.
      const std::vector<FixedPoint>* formats = decided->formats[k].find(fields.operands[k]);
      if (!formats) return false;
      auto format = formats->begin();
      for (size_t i = first; i < found.size(); ++i) {
        const auto operand = found[i].operands.find(std::string(kNames[k]));
        if (operand != found[i].operands.end()) operand->second = *format++;
      }
    }
    return true;
  });
  return known ? std::optional(std::move(found)) : std::nullopt;
}

void FormatMemo::remember(pybind11::handle config, const std::vector<Config>& decided) {
  if (kept_ > kMostKept) shapes_.clear(), kept_ = 0;
  RuleKey shape;
  if (!shape_key(config.ptr(), shape)) return;
  Rules& rules = shapes_.at(shape);
  size_t rule = 0;
  each_rule(config.ptr(), [&](PyObject* name, PyObject* entry) {
    Fields fields;
    if (rule >= decided.size() || !read(name, entry, fields)) return false;
    const Config& nodes = decided[rule++];
    Decided& kept = rules.at(fields.others);
    kept.nodes = nodes;
    for (size_t k = 0; k < kNames.size(); ++k) {
      std::vector<FixedPoint> formats;
      for (const NodeFormat& node : nodes)
        if (const FixedPoint* format = node.operand(std::string(kNames[k]))) formats.push_back(*format);
      kept.formats[k].at(fields.operands[k]) = std::move(formats);
    }
    kept_ += 1 + kNames.size();
    return true;
  });
}

}  // namespace chop::bindings
