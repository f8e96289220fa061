//! avouch-lab
