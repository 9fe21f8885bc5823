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

/// What tells one company's API key and account from another, and is neither; "" if there is no key.
std::string key_mark(const RecordingSource&);

/// Begins anew what waits for another API key than it was tried with, or was given up for want of one, once its company has it;
/// also what waited when the process began. One thread.
class KeyWatch {
public:
    /// Marks by company; nullopt: not known yet. `generation` rises with every change of them.
    KeyWatch(std::function<std::optional<std::map<CompanyId, std::string>>()> marks, std::function<std::uint64_t()> generation)
        : marks_(std::move(marks)), generation_(std::move(generation)) {}
    void look(pg::Connection&);

private:
    std::function<std::optional<std::map<CompanyId, std::string>>()> marks_;
    std::function<std::uint64_t()> generation_;
    std::optional<std::uint64_t> seen_;
    std::map<CompanyId, std::string> last_;
};

}  // namespace otto::shunya_orchestrator
