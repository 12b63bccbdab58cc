# The two Python-facing targets: `_ops` on LibTorch's stable ABI and `_core` on pybind11.
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
find_package(pybind11 3.1 CONFIG REQUIRED)

# Ask the interpreter, never find_package(Torch): that one wants a CUDA toolkit as soon as the wheel is a CUDA one.
if(NOT CHOP_TORCH_DIR)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
      "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    OUTPUT_VARIABLE CHOP_TORCH_DIR OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE torch_missing)
  if(torch_missing)
    message(FATAL_ERROR "chop needs torch at build time in ${Python_EXECUTABLE}: pip install torch==2.13.0")
  endif()
endif()
message(STATUS "torch for the operators: ${CHOP_TORCH_DIR}")

add_library(_ops MODULE ${src}/ops/integer_quantize.cpp ${src}/ops/integer_quantize_elements.cpp ${src}/ops/format_quantize.cpp
  ${src}/ops/linear_integer.cpp
  ${src}/ops/conv1d_integer.cpp)
target_link_libraries(_ops PRIVATE chop_kernels)
target_include_directories(_ops SYSTEM PRIVATE ${CHOP_TORCH_DIR}/include)
# 0x020b… is torch 2.11: the oldest torch that one build may serve.
target_compile_definitions(_ops PRIVATE TORCH_TARGET_VERSION=0x020b000000000000)
find_library(CHOP_TORCH_CPU torch_cpu PATHS ${CHOP_TORCH_DIR}/lib NO_DEFAULT_PATH REQUIRED)
target_link_libraries(_ops PRIVATE ${CHOP_TORCH_CPU})
set_target_properties(_ops PROPERTIES PREFIX "" SUFFIX ".so" BUILD_WITH_INSTALL_RPATH ON)

pybind11_add_module(native MODULE NO_EXTRAS ${src}/bindings/module.cpp ${src}/bindings/bind_core.cpp
  ${src}/bindings/bind_ir.cpp ${src}/bindings/bind_statistics.cpp ${src}/bindings/bind_cost.cpp
  ${src}/bindings/rule_memo.cpp ${src}/bindings/format_memo.cpp ${src}/bindings/bind_metrics.cpp ${src}/bindings/bind_evaluator.cpp
  ${src}/bindings/bind_quantization_errors.cpp ${src}/bindings/bind_float_ops.cpp ${src}/bindings/bind_search.cpp
  ${src}/bindings/bind_tpe.cpp ${src}/bindings/bind_trainer.cpp ${src}/bindings/tensor_view.cpp
  ${src}/bindings/torch_call.cpp)
target_link_libraries(native PRIVATE chop_core)
target_precompile_headers(native PRIVATE <pybind11/pybind11.h> <pybind11/stl.h>)
file(STRINGS ${CHOP_TORCH_DIR}/version.py torch_version REGEX "^__version__ = ")
string(REGEX MATCH "[0-9][^'\"]*" torch_version "${torch_version}")
set_source_files_properties(${src}/bindings/module.cpp PROPERTIES
  COMPILE_DEFINITIONS CHOP_BUILD_TORCH="${torch_version}")

if(APPLE)
  set_target_properties(_ops PROPERTIES INSTALL_RPATH "@loader_path/../torch/lib")
else()
  set_target_properties(_ops PROPERTIES INSTALL_RPATH "$ORIGIN/../torch/lib")
  target_link_options(_ops PRIVATE -Wl,--no-undefined)
endif()

install(TARGETS _ops LIBRARY DESTINATION chop)
install(TARGETS native LIBRARY DESTINATION chop/_core)
