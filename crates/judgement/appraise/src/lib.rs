//! avouch-appraise
