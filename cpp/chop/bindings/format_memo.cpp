#include "chop/bindings/format_memo.h"

#include <cstring>

namespace chop::bindings {
namespace {

using evaluator::Config;
using evaluator::NodeFormat;

constexpr size_t kMostKept = 100000;
constexpr std::array<const char*, 3> kNames{"data_in", "weight", "bias"};
constexpr size_t kWeight = 1, kBias = 2;

// Which operand a field such as "weight_frac_width" belongs to; kNames.size() for the others.
size_t operand_of(PyObject* field) {
  Py_ssize_t length = 0;
  const char* text = PyUnicode_AsUTF8AndSize(field, &length);
  if (!text) PyErr_Clear();
  for (size_t i = 0; text && i < kNames.size(); ++i) {
    const size_t prefix = std::strlen(kNames[i]);
    if (static_cast<size_t>(length) > prefix && text[prefix] == '_' && std::memcmp(text, kNames[i], prefix) == 0)
      return i;
  }
  return kNames.size();
}

}  // namespace

bool FormatMemo::read(PyObject* name, PyObject* entry, Fields& fields) {
  PyObject* table = rule_table(entry);
  if (!table || !fields.others.add(name)) return false;
  for (RuleKey& key : fields.operands)
    if (!key.add(name)) return false;
  PyObject *field = nullptr, *value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(table, &at, &field, &value);) {
    if (!PyUnicode_CheckExact(field)) return false;
    const size_t operand = operand_of(field);
    RuleKey& key = operand < kNames.size() ? fields.operands[operand] : fields.others;
    if (!key.add(field) || !key.add(value)) return false;
    // The bias falls back to what the weight says.
    if (operand == kWeight && (!fields.operands[kBias].add(field) || !fields.operands[kBias].add(value))) return false;
  }
  return true;
}

std::optional<Config> FormatMemo::find(pybind11::handle config) const {
  RuleKey shape;
  const Rules* rules = shape_key(config.ptr(), shape) ? shapes_.find(shape) : nullptr;
  if (!rules) return std::nullopt;
  Config found;
  PyObject *name = nullptr, *entry = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(config.ptr(), &at, &name, &entry);) {
    if (is_by(name)) continue;
    Fields fields;
    const Config* nodes = read(name, entry, fields) ? rules->nodes.find(fields.others) : nullptr;
    if (!nodes) return std::nullopt;
    const size_t first = found.size();
    found.insert(found.end(), nodes->begin(), nodes->end());
    for (size_t k = 0; k < kNames.size(); ++k) {
      // Fields that no node uses must have been judged too.
      const std::vector<FixedPoint>* formats = rules->formats[k].find(fields.operands[k]);
      if (!formats) return std::nullopt;
      size_t used = 0;
      for (size_t i = first; i < found.size(); ++i) {
        const auto operand = found[i].operands.find(kNames[k]);
        if (operand != found[i].operands.end() && used < formats->size()) operand->second = (*formats)[used++];
      }
    }
  }
  return found;
}

void FormatMemo::remember(pybind11::handle config, const std::vector<Config>& decided) {
  if (kept_ > kMostKept) shapes_.clear(), kept_ = 0;
  RuleKey shape;
  if (!shape_key(config.ptr(), shape)) return;
  Rules& rules = shapes_.at(shape);
  PyObject *name = nullptr, *entry = nullptr;
  size_t rule = 0;
  for (Py_ssize_t at = 0; PyDict_Next(config.ptr(), &at, &name, &entry);) {
    if (is_by(name)) continue;
    Fields fields;
    if (rule >= decided.size() || !read(name, entry, fields)) return;
    const Config& nodes = decided[rule++];
    for (size_t k = 0; k < kNames.size(); ++k) {
      std::vector<FixedPoint> formats;
      for (const NodeFormat& node : nodes)
        if (const FixedPoint* format = node.operand(kNames[k])) formats.push_back(*format);
      rules.formats[k].at(fields.operands[k]) = std::move(formats);
    }
    rules.nodes.at(fields.others) = nodes;
    kept_ += 1 + kNames.size();
  }
}

}  // namespace chop::bindings
