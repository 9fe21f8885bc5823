#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "pg/connection.hpp"
#include "recording.hpp"

namespace otto::shunya_orchestrator {

/// What tells one account and its key from another, and is neither; "" if there is no key.
std::string key_mark(const RecordingSource&);

/// Whose key a recording is asked for with: the company's own at that provider, or the deployment's, for a recording that it has.
struct KeyOwner {
    CompanyId company;
    std::string provider;
    bool of_deployment = false;
    auto operator<=>(const KeyOwner&) const = default;
};

/// Begins anew what waits for another key than it was tried with, or was given up for want of one, once its owner has it; also
/// what waited when the process began. One thread.
class KeyWatch {
public:
    using Marks = std::map<KeyOwner, std::string>;
    /// The keys that there are, by their marks; nullopt: not known yet. `generation` rises with every change of them.
    KeyWatch(std::function<std::optional<Marks>()> marks, std::function<std::uint64_t()> generation)
        : marks_(std::move(marks)), generation_(std::move(generation)) {}
    void look(pg::Connection&);

private:
    std::function<std::optional<Marks>()> marks_;
    std::function<std::uint64_t()> generation_;
    std::optional<std::uint64_t> seen_;
    Marks last_;
};

}  // namespace otto::shunya_orchestrator
