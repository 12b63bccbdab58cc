#include "chop/evaluator/plan_key.h"

#include "chop/quantizers/quantizer.h"

namespace chop::evaluator {

void append(Key* key, const FixedPoint* f) {
  if (!f) return key->push_back(-1);
  key->push_back(f->width + 64 * (f->is_signed ? 1 : 0));
  key->push_back(f->frac_width);
  key->push_back(static_cast<int64_t>(f->rounding) * 2 + static_cast<int64_t>(f->overflow));
}

void append(Key* key, const ElementFormats& formats) {
  key->push_back(-3);
  for (const FixedPoint& f : formats) append(key, &f);
}

void append(Key* key, const NodeFormat* format) {
  if (!format) return key->push_back(-2);
  key->push_back(reinterpret_cast<intptr_t>(&quantizers::registry().get(format->quantizer)));
  for (const char* name : {"data_in", "weight", "bias"}) {
    append(key, format->operand(name));
    if (const ElementFormats* each = format->each(name)) append(key, *each);
  }
}

}  // namespace chop::evaluator
