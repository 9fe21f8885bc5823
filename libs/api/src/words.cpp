#include "api/words.hpp"

#include <algorithm>

namespace otto::api {

bool Words::has(std::string_view word) const { return std::find(words_.begin(), words_.end(), word) != words_.end(); }

std::string Words::listed() const {
    std::string out;
    for (auto word : words_) out.append(out.empty() ? "" : ", ").append(word);
    return out;
}

}  // namespace otto::api
