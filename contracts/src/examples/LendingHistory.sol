// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

/// @title Past loans of borrowers, in short
/// @notice What a lending protocol knows of its borrowers: how much they borrowed, repaid and failed to repay.
/// @dev A mock: the lender says what happened, no money moves. Amounts are in whole units of the currency.
contract LendingHistory {
    /// @notice What a borrower did so far.
    /// @param borrowed All that was lent.
    /// @param repaid What of it came back in time.
    /// @param defaulted What of it did not.
    struct History {
        uint64 borrowed;
        uint64 repaid;
        uint64 defaulted;
    }

    /// @notice Something happened to a borrower's loans.
    event HistoryChanged(address indexed borrower, uint256 borrowed, uint256 repaid, uint256 defaulted);

    /// @notice The caller is not the lender.
    error NotLender(address caller);
    /// @notice More than the borrower owes.
    error NothingOwed(address borrower, uint256 owed, uint256 amount);

    /// @notice Who lends.
    address public immutable lender;

    mapping(address borrower => History) private _histories;

    modifier onlyLender() {
        if (msg.sender != lender) revert NotLender(msg.sender);
        _;
    }

    constructor() {
        lender = msg.sender;
    }

    /// @notice A borrower gets a loan.
    function lend(address borrower, uint64 amount) external onlyLender {
        _histories[borrower].borrowed += amount;
        _changed(borrower);
    }

    /// @notice A borrower pays back.
    function repay(address borrower, uint64 amount) external onlyLender {
        _requireOwed(borrower, amount);
        _histories[borrower].repaid += amount;
        _changed(borrower);
    }

    /// @notice What a borrower owes is given up.
    function writeOff(address borrower, uint64 amount) external onlyLender {
        _requireOwed(borrower, amount);
        _histories[borrower].defaulted += amount;
        _changed(borrower);
    }

    /// @notice What a borrower did so far.
    function historyOf(address borrower) public view returns (History memory) {
        return _histories[borrower];
    }

    /// @notice What a borrower has to pay back yet.
    function owedBy(address borrower) public view returns (uint256) {
        History memory history = _histories[borrower];
        return uint256(history.borrowed) - history.repaid - history.defaulted;
    }

    function _requireOwed(address borrower, uint64 amount) private view {
        uint256 owed = owedBy(borrower);
        if (amount > owed) revert NothingOwed(borrower, owed, amount);
    }

    function _changed(address borrower) private {
        History memory history = _histories[borrower];
        emit HistoryChanged(borrower, history.borrowed, history.repaid, history.defaulted);
    }
}
