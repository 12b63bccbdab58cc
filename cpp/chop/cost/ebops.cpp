// Effective bit operations, in three counts. Source: Sun et al., HGQ, 2024 (arXiv 2405.00645), and its library HGQ2.
#include "chop/cost/model.h"

namespace chop::cost {
namespace {

// Every weight is used equally often: the mean of their effective bits stands for each.
double weight_bits(const Operation& o, const Widths& w, double otherwise) {
  return w.effective && o.weights_used > 0 ? *w.effective / o.weights_used : otherwise;
}

double ebops(const Operation& o, const Widths& w) {
  if (w.joint) return o.macs() * w.joint->effective.value_or(w.joint->width);
  return o.macs() * w.data_in.width * weight_bits(o, w, w.weight.width);
}

double ebops_of_paper(const Operation& o, const Widths& w) {
  if (w.joint && w.joint->effective_magnitude) return o.macs() * *w.joint->effective_magnitude;
  return o.macs() * w.data_in.magnitude * weight_bits(o, w, w.weight.magnitude);
}

double ebops_of_library(const Operation& o, const Widths& w) {
  const double factor = w.joint ? w.joint->declared : w.data_in.declared * w.weight.declared;
  double bits = 0;
  for (const Product& p : o.products)
    bits += (p.macs - p.padded) * factor + (p.biased ? p.hgq2_biases * w.bias.declared : 0);
  return bits;
}

[[maybe_unused]] const bool registered[] = {
    registry().add("ebops",
                   {"EBOPs",
                    "for each multiplication by a weight: bits of the input times the bits from the highest to the "
                    "lowest set bit of the weight's code, 0 for a zero (after Sun et al. 2024; float operands and "
                    "products of two activations: full widths)",
                    ebops, sum, true}),
    registry().add("ebops_hgq",
                   {"EBOPs",
                    "as 'ebops', with the bits of the input without the sign, as the paper of HGQ counts (Sun et al. "
                    "2024; float operands: 32 bits; products of two activations: both without the sign; no biases)",
                    ebops_of_paper, sum, true}),
    registry().add("ebops_hgq2",
                   {"EBOPs",
                    "as the library HGQ2 0.2.0 counts: for each multiplication the declared bits of input and weight, "
                    "zeros and powers of two alike, but none for zeros that pad, and for each place of the input "
                    "and channel of the output those of the bias; without the sign of a format that wraps, with it "
                    "where it saturates (float: 32 bits); "
                    "additions and activations, to which HGQ2 gives a count too, are left out",
                    ebops_of_library})};

}  // namespace
}  // namespace chop::cost
