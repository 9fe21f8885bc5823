#pragma once
#include <span>
#include <string>
#include <vector>

#include "arguments.hpp"

/// The operators' command. Each noun has a file of its own; the table in commands.cpp is the picture of all.
namespace otto::ottoctl {

std::span<const Command> commands();
/// The settings that any command reads.
app::Rows rows();
std::string help_of(const Command&);
std::string help_of_all();

/// What main() does: parses, loads the settings, runs; the exit code.
int run(const std::vector<std::string>& typed);

int migrate(const Call&);
int topics_plan(const Call&);
int topics_apply(const Call&);
int held_list(const Call&);
int held_show(const Call&);
int held_release(const Call&);
int dead_letters_list(const Call&);
int dead_letters_show(const Call&);
int dead_letters_edit(const Call&);
int dead_letters_redrive(const Call&);
int dead_letters_discard(const Call&);
int lag(const Call&);
int spool(const Call&);
int sweep(const Call&);
int event(const Call&);
int support_bundle(const Call&);

}  // namespace otto::ottoctl
