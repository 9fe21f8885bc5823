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

int migrate(const Invocation&);
int status(const Invocation&);
int roles_plan(const Invocation&);
int roles_apply(const Invocation&);
int topics_plan(const Invocation&);
int topics_apply(const Invocation&);
int held_list(const Invocation&);
int held_show(const Invocation&);
int held_release(const Invocation&);
int dead_letters_list(const Invocation&);
int dead_letters_show(const Invocation&);
int dead_letters_edit(const Invocation&);
int dead_letters_redrive(const Invocation&);
int dead_letters_discard(const Invocation&);
int lag(const Invocation&);
int spool(const Invocation&);
int spool_drain(const Invocation&);
int sweep(const Invocation&);
int texts(const Invocation&);
int texts_retry(const Invocation&);
int event(const Invocation&);
int support_bundle(const Invocation&);

}  // namespace otto::ottoctl
