// How much elementary work each operation of the op table is: the counts that most cost models are made of.
#pragma once

#include "chop/cost/model.h"

namespace chop::cost {

// Fills in everything but node, inputs and output. Throws with node and operation where there is no count for it.
void measure(Operation& operation);

// Elements of a shape without a batch.
double element_count(const ir::Shape& shape);

}  // namespace chop::cost
