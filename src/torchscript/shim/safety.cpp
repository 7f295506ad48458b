// A TorchScript archive is a program. These look at what it would do before it runs.
#include "graph.h"

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <regex>
#include <set>

namespace repsim {

using namespace torch::jit;

namespace {

// Operators of these namespaces compute; the ones below them in the list do more.
const std::set<std::string> trusted_namespaces = {
    "aten", "prim",  "prims",   "quantized",        "_quantized", "quantization", "onednn",
    "mkl",  "mkldnn", "mkldnn_prepacked", "sparse", "static_runtime", "profiler", "repsim"};

// They read or write files, reach other processes or run Python.
const std::set<std::string> untrusted_names = {
    "aten::from_file", "aten::save",       "prim::PythonOp", "prim::IgnoredPythonOp",
    "prim::rpc_async", "prim::rpc_sync",   "prim::rpc_remote"};

}  // namespace

bool is_trusted(const Symbol& kind) {
  const std::string space = kind.ns().toUnqualString();
  return trusted_namespaces.count(space) && !untrusted_names.count(kind.toQualString());
}

namespace {

void collect(const Block* block, std::set<std::string>& found) {
  for (const Node* node : block->nodes()) {
    if (!is_trusted(node->kind())) found.insert(node->kind().toQualString());
    for (const Block* inner : node->blocks()) collect(inner, found);
  }
}

void collect(Function& function, std::set<std::string>& found) {
  auto* graph_function = tryToGraphFunction(function);
  if (!graph_function) return;
  graph_function->ensure_defined();
  collect(graph_function->graph()->block(), found);
}

// Names of functions called in source text that would reach a file: `torch.save(`, `x.from_file(`.
void collect(const std::string& source, std::set<std::string>& found) {
  static const std::regex call(R"(\b(save|from_file|rpc_async|rpc_sync|rpc_remote)\s*\()");
  static const std::regex foreign(R"(\bops\s*\.\s*(\w+)\s*\.\s*(\w+))");
  for (std::sregex_iterator it(source.begin(), source.end(), call), end; it != end; ++it)
    found.insert("aten::" + (*it)[1].str());
  for (std::sregex_iterator it(source.begin(), source.end(), foreign), end; it != end; ++it)
    if (!trusted_namespaces.count((*it)[1])) found.insert((*it)[1].str() + "::" + (*it)[2].str());
}

bool is_source(const std::string& record) {
  return record.rfind("code/", 0) == 0 && record.size() > 3 &&
         record.compare(record.size() - 3, 3, ".py") == 0;
}

}  // namespace

std::vector<std::string> untrusted_operators(const Module& module) {
  std::set<std::string> found;
  for (Function* function : module._ivalue()->compilation_unit()->get_functions())
    collect(*function, found);
  for (const auto& submodule : module.modules())
    for (const auto& method : submodule.get_methods()) collect(method.function(), found);
  return {found.begin(), found.end()};
}

std::vector<std::string> untrusted_in_archive(const std::string& path) {
  caffe2::serialize::PyTorchStreamReader reader(path);
  std::string text;
  for (const auto& record : reader.getAllRecords()) {
    if (!is_source(record)) continue;
    const auto [data, size] = reader.getRecord(record);
    text.append(static_cast<const char*>(data.get()), size).append("\n");
  }
  std::set<std::string> found;
  // Loading runs nothing but __setstate__; without one the graphs are looked at after loading.
  if (text.find("__setstate__") != std::string::npos) collect(text, found);
  return {found.begin(), found.end()};
}

}  // namespace repsim
