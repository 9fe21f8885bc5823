#include "testkit/golden.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace otto::testkit {

std::string differs_from(const std::string& path, const std::string& text) {
    const std::string file = OTTO_SOURCE_DIR "/" + path;
    if (const char* wish = std::getenv("OTTO_GOLDEN"); wish && std::string(wish) == "write") {
        std::ofstream out(file, std::ios::binary);
        if (!(out << text).flush()) throw std::runtime_error("cannot write " + file);
        return "";
    }
    std::ifstream in(file, std::ios::binary);
    std::stringstream kept;
    kept << in.rdbuf();
    if (kept.str() == text) return "";
    std::istringstream is(text);
    kept.seekg(0);
    std::string was, now;
    for (int line = 1;; ++line) {
        bool more = static_cast<bool>(std::getline(kept, was)), another = static_cast<bool>(std::getline(is, now));
        if (more == another && was == now && more) continue;
        return path + ":" + std::to_string(line) + ": the file has '" + (more ? was : "nothing") + "', it should be '" +
               (another ? now : "nothing") + "'; write it anew: run this test with OTTO_GOLDEN=write, and look at the difference";
    }
}

}  // namespace otto::testkit
