#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace otto {

/// Text that must not be seen: it does not print, does not compare, and is wiped when it goes.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}
    Secret(const Secret&) = default;
    Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
    Secret& operator=(const Secret&) = default;
    Secret& operator=(Secret&& other) noexcept {
        wipe();
        value_ = std::move(other.value_);
        other.wipe();
        return *this;
    }
    ~Secret() { wipe(); }

    /// The text itself; the name is long so that every use is seen in review.
    const std::string& reveal() const { return value_; }
    bool empty() const { return value_.empty(); }
    /// The last four characters, "" for a secret of fewer than twelve.
    std::string last4() const { return value_.size() < 12 ? std::string{} : value_.substr(value_.size() - 4); }

private:
    void wipe() noexcept {
        volatile char* p = value_.data();
        for (std::size_t i = 0; i < value_.size(); ++i) p[i] = 0;
        value_.clear();
    }
    std::string value_;
};

}  // namespace otto
