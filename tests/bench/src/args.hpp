#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace otto::bench {

/// `--name value` pairs of a benchmark program; a missing or unknown one ends it with a message that names it.
class Args {
public:
    Args(int argc, char** argv, const std::string& known) {
        for (int i = 1; i < argc; ++i) {
            std::string name = argv[i];
            if (!name.starts_with("--") || (" " + known + " ").find(" " + name.substr(2) + " ") == std::string::npos ||
                i + 1 >= argc)
                fail("takes " + known + ", not '" + name + "'");
            values_[name.substr(2)].emplace_back(argv[++i]);
        }
    }
    const std::vector<std::string>& all(const std::string& name) const {
        auto found = values_.find(name);
        if (found == values_.end()) fail("--" + name + " is missing");
        return found->second;
    }
    const std::string& text(const std::string& name) const { return all(name).back(); }
    std::int64_t number(const std::string& name) const { return std::atoll(text(name).c_str()); }
    std::int64_t number(const std::string& name, std::int64_t otherwise) const {
        return values_.contains(name) ? number(name) : otherwise;
    }
    std::string text(const std::string& name, const std::string& otherwise) const {
        return values_.contains(name) ? text(name) : otherwise;
    }

private:
    [[noreturn]] static void fail(const std::string& why) {
        std::fprintf(stderr, "%s\n", why.c_str());
        std::exit(2);
    }
    std::map<std::string, std::vector<std::string>> values_;
};

}  // namespace otto::bench
