// A shared library that has none of the functions that are looked for.
extern "C" int nothing_of_interest() { return 0; }
