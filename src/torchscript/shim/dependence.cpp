#include "dependence.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/enum_tag.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "aliases.h"
#include "constants.h"

namespace repsim {

using namespace torch::jit;

namespace {

bool is_random(const Node* node) {
  const auto* op = node->maybeOperator();
  if (!op || !op->isC10Op()) return node->isNondeterministic();
  const auto handle = c10::Dispatcher::singleton().findSchema(op->schema().operator_name());
  return handle && handle->hasTag(at::Tag::nondeterministic_seeded);
}

// `_native_batch_norm_legit_no_training` takes the running statistics, whatever else is given.
bool is_batch_norm(const Node* node) {
  const std::string name = node->kind().toUnqualString();
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  return has("batch_norm") && !has("backward") && !has("no_training");
}

// Scales its input by the range that this has over the batch.
bool is_dynamic(const Node* node) {
  const std::string name = node->kind().toUnqualString();
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (has("choose_qparams") || name == "quantize_per_tensor_dynamic") return true;
  if (node->kind().is_aten() && name.rfind("quantized_", 0) == 0 && !has("max_pool") && !has("batch_norm"))
    return true;
  const std::string whole = node->kind().toQualString();
  return whole.rfind("quantized::", 0) == 0 && has("dynamic") && !has("fp16") && !has("prepack");
}

// One operator that stands for all submodules of an attention or encoder layer.
bool is_fused(const Node* node) {
  const std::string name = node->kind().toUnqualString();
  return name == "_transformer_encoder_layer_fwd" || name == "_native_multi_head_attention";
}

// Operators that look at a tensor's form and not at its values.
bool takes_form_only(const Node* node) {
  static const std::set<std::string> names = {
      "size",       "dim",       "len",        "numel",     "dtype",      "device",    "layout",
      "is_cuda",    "stride",    "zeros_like", "ones_like", "empty_like", "full_like", "new_zeros",
      "new_ones",   "new_empty", "is_floating_point", "is_complex"};
  return names.count(node->kind().toUnqualString()) > 0;
}

class Follower {
 public:
  Follower(const Graph& graph, const Stack& arguments, const Owners& owners,
           const std::vector<Layer>& layers)
      : aliases_(graph), constants_(arguments), owners_(owners), layers_(layers) {
    found_.layers.assign(layers.size(), 0);
  }

  Dependence run(const Graph& graph) {
    visit(graph.block(), 0);
    for (const Value* output : graph.outputs()) found_.output |= bits(output);
    return std::move(found_);
  }

 private:
  // Of a value now: what it was made with, and what was written into its memory since.
  int bits(const Value* value) const {
    const auto made = made_.find(value);
    const auto written = written_.find(aliases_.group(value));
    return (made == made_.end() ? 0 : made->second) |
           (written == written_.end() ? 0 : written->second);
  }

  void add(int& known, int more) {
    if ((known | more) != known) changes_++;
    known |= more;
  }

  void mark(const Value* value, int more) {
    add(made_[value], more);
  }

  // `under`: what decides whether the block runs.
  void visit(const Block* block, int under) {
    for (const Node* node : block->nodes()) {
      if (node->kind() == prim::If) branch(node, under);
      else if (node->kind() == prim::Loop) loop(node, under);
      else plain(node, under);
    }
  }

  void plain(const Node* node, int under) {
    int more = under | source(node);
    if (!takes_form_only(node))
      for (const Value* input : node->inputs()) more |= bits(input);
    for (const Block* block : node->blocks()) visit(block, more);
    if (is_tap(node)) found_.layers.at(tapped_layer(node)) |= more;
    if (more == 0) return;
    for (const Value* output : node->outputs()) mark(output, more);
    if (is_tap(node)) return;
    for (const auto group : aliases_.overwritten(node)) add(written_[group], more);
  }

  void branch(const Node* node, int under) {
    const auto taken = constants_.taken(node);
    const int inside = under | (taken ? 0 : bits(node->input()));
    for (size_t i = 0; i < node->blocks().size(); i++) {
      if (taken && *taken != i) continue;
      const Block* block = node->blocks()[i];
      visit(block, inside);
      for (size_t place = 0; place < node->outputs().size(); place++)
        mark(node->output(place), inside | bits(block->outputs()[place]));
    }
  }

  // Around until nothing new is carried on.
  void loop(const Node* node, int under) {
    const Block* body = node->blocks().at(0);
    int inside = under | bits(node->input(0)) | bits(node->input(1));
    const auto carried = node->outputs().size();
    for (size_t i = 0; i < carried; i++) mark(body->inputs()[i + 1], bits(node->input(i + 2)));
    size_t before = 0;
    do {
      before = changes_;
      visit(body, inside);
      inside |= bits(body->outputs()[0]);
      for (size_t i = 0; i < carried; i++) mark(body->inputs()[i + 1], bits(body->outputs()[i + 1]));
    } while (changes_ != before);
    for (size_t i = 0; i < carried; i++)
      mark(node->output(i), inside | bits(node->input(i + 2)) | bits(body->outputs()[i + 1]));
  }

  // What an operator brings in by itself.
  int source(const Node* node) {
    int kind = 0;
    if (is_random(node) && !is_off(node)) kind = kDraw;
    if (is_dynamic(node)) kind = kBatch;
    if (is_batch_norm(node) && !constants_.is_flag(node, "training", false)) kind = kBatch;
    if ((kind || is_fused(node)) && told_.insert(node).second)
      found_.causes.push_back({kind, owner(node), node->kind().toQualString()});
    return kind;
  }

  bool is_off(const Node* node) {
    for (const char* flag : {"train", "training"})
      if (constants_.is_flag(node, flag, false)) return true;
    for (const char* probability : {"p", "dropout_p", "dropout"})
      if (constants_.is_zero(node, probability)) return true;
    return false;
  }

  // The module whose code holds a node; where there are no modules the operator's own layer.
  std::string owner(const Node* node) const {
    const auto found = owners_.find(node);
    if (found != owners_.end()) return found->second;
    for (const Value* output : node->outputs())
      for (const auto& use : output->uses())
        if (is_tap(use.user) && layers_.at(tapped_layer(use.user)).type == node->kind().toQualString())
          return layers_.at(tapped_layer(use.user)).path;
    return "";
  }

  Aliases aliases_;
  Constants constants_;
  const Owners& owners_;
  const std::vector<Layer>& layers_;
  std::unordered_map<const Value*, int> made_;
  std::unordered_map<Aliases::Group, int> written_;
  std::set<const Node*> told_;
  size_t changes_ = 0;
  Dependence found_;
};

}  // namespace

Dependence find_dependence(const Graph& graph, const Stack& arguments, const Owners& owners,
                           const std::vector<Layer>& layers) {
  return Follower(graph, arguments, owners, layers).run(graph);
}

}  // namespace repsim
