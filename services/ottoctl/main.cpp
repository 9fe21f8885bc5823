#include "commands.hpp"

int main(int argc, char** argv) { return otto::ottoctl::run({argv + 1, argv + argc}); }
