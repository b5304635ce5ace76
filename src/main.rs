//! The program `voltar`; everything is in the library.

fn main() -> std::process::ExitCode {
    voltar::cli::main()
}
