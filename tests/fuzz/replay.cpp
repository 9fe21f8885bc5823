// Runs each file of the folders once: the unit test that a harness is in an ordinary build.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "harness.hpp"

int main(int count, char** words) {
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < count; ++i) {
        if (!std::filesystem::is_directory(words[i])) {
            if (!std::filesystem::exists(words[i])) {
                std::cerr << words[i] << ": no such file or folder\n";
                return 2;
            }
            files.emplace_back(words[i]);
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(words[i]))
            if (entry.is_regular_file()) files.push_back(entry.path());
    }
    if (files.empty()) {
        std::cerr << "usage: " << words[0] << " FOLDER|FILE…    there is no input in what was named\n";
        return 2;
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
        std::cerr << file.string() << std::endl;  // before the run: the last line names the input that broke a promise
        std::ifstream in(file, std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        fuzz(text);
    }
    std::cout << files.size() << " inputs, every promise kept\n";
}
