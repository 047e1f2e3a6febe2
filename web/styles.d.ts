// Style sheets are bundled beside the program (scripts/build-page.mjs).
declare module '*.css' {}
