#include "chop/bindings/torch_call.h"

#include <pybind11/stl.h>

#include <atomic>
#include <cstring>
#include <utility>

#include "chop/bindings/bindings.h"
#include "chop/bindings/gil.h"
#include "chop/core/check.h"

namespace chop::bindings {
namespace {

using evaluator::TorchCall;

// A list without a lock: who lets go may hold one, and a fork would leave this one held in the child.
struct Orphan {
  PyObject* object;
  Orphan* next;
};
std::atomic<Orphan*> orphans{nullptr};

// Taking Python's lock to let go of an object could wait for a thread that waits for what the caller holds.
void let_go(PyObject* object) {
  if (PyGILState_Check()) return Py_DECREF(object);
  auto* orphan = new Orphan{object, orphans.load()};
  while (!orphans.compare_exchange_weak(orphan->next, orphan)) {
  }
}

// Memory that Python owns, so that what is made of it may outlive the call.
class Buffer {
 public:
  Buffer(const float* from, int64_t count)
      : size_(static_cast<size_t>(count) * sizeof(float)),
        bytes_(reinterpret_cast<const char*>(from), size_),
        view_(pybind11::reinterpret_steal<pybind11::object>(PyMemoryView_FromObject(bytes_.ptr()))) {
    if (!view_) throw pybind11::error_already_set();
  }

  const pybind11::object& view() const { return view_; }
  void copy_to(float* to, const std::string& node) const {
    check(bytes_.size() == size_, "evaluator: the call of node ", node, " resized its output");
    std::memcpy(to, PyByteArray_AS_STRING(bytes_.ptr()), size_);
  }

 private:
  size_t size_;
  pybind11::bytearray bytes_;
  pybind11::object view_;
};

// A Python function of (memoryviews of the inputs, memoryview of the output, rows), called with the GIL.
class PythonCall {
 public:
  PythonCall(const TorchCall& call, pybind11::function function)
      : node_(call.node),
        function_(function.release().ptr(), let_go),
        input_sizes_(call.input_sizes),
        output_size_(call.output_size) {}

  void operator()(const std::vector<const float*>& inputs, float* output, int rows) const {
    const WithGil gil;
    drop_orphans();
    pybind11::list views;
    for (size_t i = 0; i < inputs.size(); ++i) views.append(Buffer(inputs[i], rows * input_sizes_[i]).view());
    const Buffer result(output, rows * output_size_);
    pybind11::handle(function_.get())(views, result.view(), rows);
    result.copy_to(output, node_);
  }

 private:
  std::string node_;
  std::shared_ptr<PyObject> function_;
  std::vector<int64_t> input_sizes_;
  int64_t output_size_;
};

SharedCall make_call(const std::string& node, pybind11::function function, std::vector<int64_t> input_sizes,
                     int64_t output_size, size_t bytes) {
  const auto call = std::make_shared<TorchCall>();
  call->node = node;
  call->bytes = bytes;
  call->input_sizes = std::move(input_sizes);
  call->output_size = output_size;
  call->run = PythonCall(*call, std::move(function));
  return call;
}

}  // namespace

void drop_orphans() {
  for (Orphan* orphan = orphans.exchange(nullptr); orphan;) {
    Py_DECREF(orphan->object);
    delete std::exchange(orphan, orphan->next);
  }
}

void bind_torch_call(pybind11::module_& m) {
  using pybind11::arg;
  pybind11::class_<TorchCall, SharedCall>(m, "TorchCall", "A node that torch computes.")
      .def(pybind11::init(&make_call), arg("node"), arg("function"), arg("input_sizes"), arg("output_size"),
           arg("bytes") = 0,
           "function(inputs, output, rows): memoryviews of float32, rows times the sizes of a row. bytes: what it "
           "holds.")
      .def_readonly("node", &TorchCall::node)
      .def_property_readonly(
          "seconds", [](const TorchCall& call) { return static_cast<double>(call.nanoseconds) * 1e-9; },
          "Spent so far, by all threads together.");
}

}  // namespace chop::bindings
