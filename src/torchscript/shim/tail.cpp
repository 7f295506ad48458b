#include "tail.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "aliases.h"
#include "graph.h"
#include "names.h"

namespace repsim {

using namespace torch::jit;

namespace {

// What a value of the outermost block can be computed from.
enum class Source {
  kElsewhere,  // from the model's inputs, other than by way of the layer
  kModel,      // from `self`, constants and the flags of `forward` alone
  kLayer,      // from the layer's output, and from the model
};

void collect_inputs(const Node* node, std::vector<const Value*>& found) {
  found.insert(found.end(), node->inputs().begin(), node->inputs().end());
  for (const Block* block : node->blocks()) {
    for (const Node* inner : block->nodes()) collect_inputs(inner, found);
    collect_inputs(block->return_node(), found);
  }
}

bool has_effects(const Node* node) {
  if (is_tap(node) || node->hasSideEffects()) return true;
  for (const Block* block : node->blocks())
    for (const Node* inner : block->nodes())
      if (has_effects(inner)) return true;
  return false;
}

bool is_random(const Node* node) {
  if (node->isNondeterministic()) return true;
  for (const Block* block : node->blocks())
    for (const Node* inner : block->nodes())
      if (is_random(inner)) return true;
  return false;
}

void collect_taps(Block* block, std::vector<Node*>& taps) {
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) collect_taps(inner, taps);
    if (is_tap(node)) taps.push_back(node);
  }
}

// Whether a node lies in a block, of a loop or of anything but a branch; null: in none.
const Node* enclosing(const Node* node, bool branches_too) {
  for (node = node->owningBlock()->owningNode(); node; node = node->owningBlock()->owningNode())
    if (branches_too || node->kind() != prim::If) return node;
  return nullptr;
}

// The outcome of a condition that is the same in every run. The model is in evaluation mode.
std::optional<bool> outcome(const Value* condition) {
  const Node* node = condition->node();
  if (node->kind() == prim::GetAttr && node->s(attr::name) == "training") return false;
  const auto value = toIValue(condition);
  return value && value->isBool() ? std::optional(value->toBool()) : std::nullopt;
}

// Puts the nodes of one of its blocks in the place of a branch.
void take_branch(Node* branch, Block* taken) {
  while (taken->nodes().begin() != taken->nodes().end())
    (*taken->nodes().begin())->moveBefore(branch);
  for (size_t i = 0; i < branch->outputs().size(); i++) {
    pass_name_on(branch->output(i), taken->outputs()[i]);
    branch->output(i)->replaceAllUsesWith(taken->outputs()[i]);
  }
  branch->destroy();
}

void resolve_branches(Block* block) {
  for (Node* node = *block->nodes().begin(); node != block->return_node();) {
    Node* next = node->next();
    for (Block* inner : node->blocks()) resolve_branches(inner);
    const auto known = node->kind() == prim::If ? outcome(node->input()) : std::nullopt;
    if (known) take_branch(node, node->blocks().at(*known ? 0 : 1));
    node = next;
  }
}

// An operator that changes its first argument in place and returns that.
bool returns_its_input(const Node* node) {
  if (is_tap(node)) return true;
  const auto* schema = node->kind().is_aten() ? node->maybeSchema() : nullptr;
  if (!schema || node->outputs().size() != 1 || schema->arguments().empty()) return false;
  const auto* info = schema->arguments()[0].alias_info();
  return info && info->isWrite() && schema->returns()[0].alias_info();
}

class Cutter {
 public:
  Cutter(std::shared_ptr<Graph> graph, const CutRequest& request)
      : graph_(std::move(graph)), request_(request), output_(request.output) {}

  Cut run() {
    resolve_branches(graph_->block());
    if (!find_tap()) return refused();
    while (Node* branch = tap_->owningBlock()->owningNode()) take_branch(branch, tap_->owningBlock());
    take_by_its_names();
    choose_output();
    classify();
    keep_from(graph_->return_node());
    keep_effects();
    Aliases aliases(*graph_);
    if (refusal_.empty()) keep_writers(aliases);
    if (!refusal_.empty()) return refused();
    const auto first_calls = count_calls();
    strip(overwrites_input(aliases));
    return {graph_, "", output_, first_calls};
  }

 private:
  Cut refused() const { return {nullptr, refusal_, output_, {}}; }

  // The node of the call asked for. The n-th call is the n-th tap only where each runs once.
  bool find_tap() {
    std::vector<Node*> taps;
    collect_taps(graph_->block(), taps);
    std::erase_if(taps, [&](Node* tap) { return tapped_layer(tap) != request_.layer; });
    const auto place = static_cast<size_t>(request_.call) - 1;
    const auto always = [](Node* tap) { return !enclosing(tap, /*branches_too=*/true); };
    const auto at_most_once = [](Node* tap) { return !enclosing(tap, /*branches_too=*/false); };
    const bool certain =
        (place < taps.size() && std::all_of(taps.begin(), taps.begin() + place + 1, always)) ||
        (static_cast<int64_t>(taps.size()) == request_.calls.at(request_.layer) &&
         std::all_of(taps.begin(), taps.end(), at_most_once));
    if (certain) {
      tap_ = taps.at(place);
      return true;
    }
    const bool loop = !std::all_of(taps.begin(), taps.end(), at_most_once);
    refusal_ = loop ? "cannot be cut behind: it is called in a loop"
                    : "cannot be cut behind: which of its calls run depends on the input";
    return false;
  }

  // An operator in place returns the very tensor it was given: a later use of that one, too, is a
  // use of the layer's output.
  void take_by_its_names() {
    Value* value = tap_->input(0);
    value->replaceAllUsesAfterNodeWith(tap_, tap_->output());
    while (returns_its_input(value->node()) && value->node()->owningBlock() == graph_->block()) {
      value = value->node()->input(0);
      value->replaceAllUsesAfterNodeWith(tap_, tap_->output());
    }
  }

  // Nothing but the element that counts of a tuple or list has to be computed.
  void choose_output() {
    Node* node = graph_->outputs().at(0)->node();
    const bool elements = node->kind() == prim::TupleConstruct || node->kind() == prim::ListConstruct;
    if (output_ < 0 || !elements || static_cast<size_t>(output_) >= node->inputs().size()) return;
    graph_->block()->replaceOutput(0, node->input(output_));
    output_ = -1;
  }

  // The values of the outermost block that a node takes, those that its blocks capture included.
  std::vector<const Value*> taken(const Node* node) const {
    std::vector<const Value*> found;
    collect_inputs(node, found);
    std::erase_if(found, [&](const Value* value) { return !sources_.count(value); });
    return found;
  }

  Source source(const Value* value) const { return sources_.at(value); }

  Source source(const Node* node) const {
    Source found = Source::kModel;
    for (const Value* value : taken(node)) {
      if (source(value) == Source::kElsewhere) return Source::kElsewhere;
      if (source(value) == Source::kLayer) found = Source::kLayer;
    }
    return found;
  }

  void classify() {
    for (size_t i = 0; i < graph_->inputs().size(); i++)
      sources_[graph_->inputs()[i]] = is_fed(i) ? Source::kElsewhere : Source::kModel;
    for (Node* node : graph_->nodes()) {
      Source found = node == tap_ ? Source::kLayer : source(node);
      if (describes_input(node)) {
        describing_.insert(node);
        found = Source::kModel;
      }
      if (node == tap_) is_behind_ = true;
      if (is_behind_) behind_.insert(node);
      if (!is_behind_ && found == Source::kModel && is_random(node)) found = Source::kElsewhere;
      for (const Value* output : node->outputs()) sources_[output] = found;
    }
  }

  bool is_describing(const Node* node) const {
    return describing_.count(const_cast<Node*>(node)) > 0;
  }

  // Whether a node gives the length of the first axis of an input, which is that of the samples, its device or
  // type.
  bool describes_input(const Node* node) const {
    const auto inputs = graph_->inputs();
    const auto input = node->inputs().empty() ? inputs.end()
                                              : std::find(inputs.begin(), inputs.end(), node->input(0));
    if (input == inputs.end() || !is_fed(input - inputs.begin())) return false;
    if (node->kind() == prim::device) return true;
    if (node->kind() == prim::dtype) return request_.same_type;
    if (node->kind() != aten::size || node->inputs().size() != 2) return false;
    const auto axis = toIValue(node->input(1));
    return axis && axis->isInt() && axis->toInt() == 0;
  }

  // Keeps a node and all it needs, back to the layer.
  void keep_from(const Node* start) {
    std::vector<const Node*> open{start};
    while (!open.empty()) {
      const Node* node = open.back();
      open.pop_back();
      if (node == tap_ || is_describing(node) || node->kind() == prim::Param) continue;
      if (!kept_.insert(node).second) continue;
      for (const Value* value : taken(node)) {
        if (source(value) == Source::kElsewhere) return explain(start);
        open.push_back(value->node());
      }
    }
  }

  void keep_effects() {
    for (const Node* node : graph_->nodes())
      if (node != tap_ && behind_.count(node) && source(node) != Source::kElsewhere && has_effects(node))
        keep_from(node);
  }

  // Until nothing is left out that overwrites what the tail may use. What an operator before the
  // layer does to the layer's own output is in the tensor that the tail is given.
  void keep_writers(const Aliases& aliases) {
    std::vector<std::pair<const Node*, Aliases::Groups>> writers;
    for (const Node* node : graph_->nodes()) {
      auto groups = aliases.overwritten(node);
      if (node != tap_ && !groups.empty()) writers.emplace_back(node, std::move(groups));
    }
    for (size_t before = 0; before != kept_.size() && refusal_.empty();) {
      before = kept_.size();
      const auto used = groups_used(aliases, /*of_model_only=*/false);
      const auto of_model = groups_used(aliases, /*of_model_only=*/true);
      for (const auto& [node, groups] : writers) {
        const auto& targets = behind_.count(node) ? used : of_model;
        const auto hit = [&](Aliases::Group group) { return targets.count(group) > 0; };
        if (!kept_.count(node) && std::any_of(groups.begin(), groups.end(), hit)) keep_writer(node);
      }
    }
  }

  void keep_writer(const Node* node) {
    if (source(node) != Source::kElsewhere || behind_.count(node)) return keep_from(node);
    refusal_ = "cannot be cut behind: " + operation(node) +
               " before it changes in place what the layers behind it use";
  }

  // The memory that the tail may use.
  Aliases::Groups groups_used(const Aliases& aliases, bool of_model_only) const {
    Aliases::Groups groups;
    if (!of_model_only) groups.insert(aliases.group(tap_->output()));
    for (const Node* node : kept_)
      for (const Value* value : taken(node))
        if (!of_model_only || source(value) == Source::kModel) groups.insert(aliases.group(value));
    return groups;
  }

  bool overwrites_input(const Aliases& aliases) const {
    const auto layer = aliases.group(tap_->output());
    return std::any_of(kept_.begin(), kept_.end(), [&](const Node* node) {
      return node->kind() != prim::Return && aliases.overwritten(node).count(layer) > 0;
    });
  }

  // Says at which node a path around the layer meets the one through it.
  void explain(const Node* end) {
    std::unordered_set<const Node*> needed;
    std::vector<const Node*> open{end};
    while (!open.empty()) {
      const Node* node = open.back();
      open.pop_back();
      if (node->kind() == prim::Param || !needed.insert(node).second) continue;
      for (const Value* value : taken(node)) open.push_back(value->node());
    }
    for (const Node* node : graph_->nodes())
      if (needed.count(node) && meets(node)) return explain_meeting(node);
    if (meets(end)) return explain_meeting(end);
    refusal_ = end->kind() == prim::Return
                   ? "cannot be cut behind: the model's output does not depend on it"
                   : "cannot be cut behind: " + operation(end) +
                         " changes in place what the layers behind it use, with values that do not "
                         "come through it";
  }

  bool meets(const Node* node) const {
    const auto values = taken(node);
    const auto any = [&](Source wanted) {
      return std::any_of(values.begin(), values.end(), [&](auto* v) { return source(v) == wanted; });
    };
    return node != tap_ && any(Source::kLayer) && any(Source::kElsewhere);
  }

  void explain_meeting(const Node* node) {
    const auto missing = [&](const Value* value) {
      const auto found = sources_.find(value);
      return found != sources_.end() && found->second == Source::kElsewhere;
    };
    const auto values = taken(node);
    const auto around = describe(*std::find_if(values.begin(), values.end(), missing), missing);
    const auto next = leads_to(node, layer_of(tap_->output()));
    const bool returned = node->kind() == prim::Return ||
                          (next.empty() && node->kind() == prim::TupleConstruct);
    refusal_ = "cannot be cut behind: ";
    if (returned) {
      refusal_ += "the model also returns " + around + ", which does not come through it";
      return;
    }
    if (!next.empty()) refusal_ += "on the way to " + next + ", ";
    refusal_ += operation(node) + " also takes " + around + ", which does not come through it";
  }

  // Which call of its layer the first tap of each in the tail is.
  std::vector<int64_t> count_calls() const {
    struct Count {
      int64_t before = 0, behind = 0;
      bool lost = false, before_once = true, behind_once = true;
    };
    std::vector<Count> counts(request_.calls.size());
    std::vector<Node*> taps;
    collect_taps(graph_->block(), taps);
    for (const Node* tap : taps) {
      const Node* top = tap;
      while (const Node* outer = top->owningBlock()->owningNode()) top = outer;
      auto& count = counts.at(tapped_layer(tap));
      const bool is_before = top == tap_ || !behind_.count(top);
      (is_before ? count.before : count.behind)++;
      if (top != tap) (is_before ? count.before_once : count.behind_once) = false;
      if (!is_before && !kept_.count(top)) count.lost = true;
    }
    std::vector<int64_t> first(counts.size(), 0);
    for (size_t layer = 0; layer < counts.size(); layer++) {
      const auto& count = counts[layer];
      if (count.behind == 0 || count.lost) continue;
      if (count.before_once) first[layer] = count.before + 1;
      else if (count.behind_once) first[layer] = std::max<int64_t>(0, request_.calls[layer] - count.behind + 1);
    }
    return first;
  }

  // Leaves the kept nodes, with the layer's output for an input in the place of the model's.
  void strip(bool copy_input) {
    Value* input = graph_->insertInput(1, "activation");
    input->setType(TensorType::get());
    tap_->output()->replaceAllUsesWith(copy_input ? copy_of(input) : input);
    for (Node* node : describing_) take_from(node, input);
    const std::vector<Node*> all(graph_->nodes().begin(), graph_->nodes().end());
    for (auto node = all.rbegin(); node != all.rend(); ++node)
      if (!kept_.count(*node)) (*node)->destroy();
    for (size_t place = graph_->inputs().size(); place-- > 2;)
      if (is_fed(place - 1)) graph_->eraseInput(place);
    graph_->lint();
  }

  // Puts what a node says of an input in terms of the layer's output.
  void take_from(Node* node, Value* layer) {
    WithInsertPoint first(*graph_->nodes().begin());
    std::vector<Value*> given{layer};
    if (node->kind() == aten::size) {
      given.push_back(graph_->insertConstant(request_.samples));
      kept_.insert(given[1]->node());
    }
    Node* same = graph_->insertNode(graph_->create(node->kind(), given));
    same->output()->setType(node->output()->type());
    kept_.insert(same);
    node->output()->replaceAllUsesWith(same->output());
  }

  bool is_fed(size_t input) const {
    return std::find(request_.fed.begin(), request_.fed.end(), input) != request_.fed.end();
  }

  Value* copy_of(Value* value) {
    WithInsertPoint here(tap_);
    Node* node = graph_->create(aten::clone, {value, graph_->insertConstant(IValue())});
    graph_->insertNode(node);
    kept_.insert(node);
    kept_.insert(node->input(1)->node());
    return node->output();
  }

  std::shared_ptr<Graph> graph_;
  const CutRequest& request_;
  int64_t output_;
  std::string refusal_;
  Node* tap_ = nullptr;
  bool is_behind_ = false;
  std::unordered_map<const Value*, Source> sources_;
  std::unordered_set<const Node*> behind_;  // the nodes after the tap, and the tap
  std::unordered_set<const Node*> kept_;
  std::unordered_set<Node*> describing_;    // those that take no values of an input
};

}  // namespace

Cut cut_behind(const Graph& graph, const CutRequest& request) {
  return Cutter(const_cast<Graph&>(graph).copy(), request).run();
}

}  // namespace repsim
