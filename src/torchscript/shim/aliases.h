// Which values of a graph may share memory, and what a node overwrites.
#pragma once
#include <torch/csrc/jit/ir/ir.h>

#include <unordered_map>
#include <unordered_set>

namespace repsim {

// Groups of values that may share memory: a value and its views, what changes it in place, the
// lists and tuples it is put into. It errs on the side of one group too large. libtorch's AliasDb
// serves worse here: it takes a tap for an operator that overwrites whatever it can reach.
class Aliases {
 public:
  using Group = const torch::jit::Value*;
  using Groups = std::unordered_set<Group>;

  explicit Aliases(const torch::jit::Graph& graph);

  // The group of a value, named by one of its members.
  Group group(Group value) const;

  // The groups that a node, or one in its blocks, overwrites.
  Groups overwritten(const torch::jit::Node* node) const;

 private:
  void visit(const torch::jit::Block* block);
  void relate(const torch::jit::Node* node);
  void relate_by_schema(const torch::jit::Node* node);
  void join_all(const torch::jit::Node* node);
  void join(Group a, Group b);

  std::unordered_map<Group, Group> parents_;
};

// Whether a run of the graph may overwrite the memory of a value.
bool writes_into(const torch::jit::Graph& graph, const torch::jit::Value* value);

}  // namespace repsim
