#include "chop/evaluator/plan_key.h"

#include <bit>

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

void append(Key* key, const quantizers::BoundFormat& format) {
  key->insert(key->end(), {-4, reinterpret_cast<intptr_t>(format.format), static_cast<int64_t>(format.first),
                           static_cast<int64_t>(format.block_size.size())});
  for (const double number : format.numbers) key->push_back(std::bit_cast<int64_t>(number));
  key->insert(key->end(), format.block_size.begin(), format.block_size.end());
}

void append(Key* key, const NodeFormat* format) {
  if (!format) return key->push_back(-2);
  if (!format->values.empty()) {
    for (const char* name : {"data_in", "weight", "bias"}) {
      if (const quantizers::BoundFormat* f = format->value(name)) {
        append(key, *f);
      } else {
        append(key, format->operand(name));
        if (const ElementFormats* each = format->each(name)) append(key, *each);
      }
    }
    return;
  }
  key->push_back(reinterpret_cast<intptr_t>(&quantizers::registry().get(format->quantizer)));
  for (const char* name : {"data_in", "weight", "bias"}) {
    append(key, format->operand(name));
    if (const ElementFormats* each = format->each(name)) append(key, *each);
  }
}

}  // namespace chop::evaluator
